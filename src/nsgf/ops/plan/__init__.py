"""What a preset will cost: work from its configuration, rates from runs here or a reference.

nets.py      parameters, multiply-adds and activations of a network
work.py      what a job has to do, in units that a machine has a rate for
reference.*  seconds a unit of work on the reference machines
history.py   what jobs of earlier runs took, with the work that they did, and their forecast
disk.py      bytes that a job leaves
forecast.py  work x rate, corrected by history
schedule.py  how long the jobs take together
total.py     the sum, under the limits of a machine or a profile, as a run keeps it
check.py     a forecast beside what happened
"""
