"""What a preset will cost: work from its configuration, rates from runs here or a reference.

nets.py      parameters, multiply-adds and activations of a network
work.py      what a job has to do, in units that a machine has a rate for, and what it leaves
reference.*  seconds a unit of work on the reference machines
blocks.py    pieces of real work, timed
calibrate.py how fast this machine is by them; the reference's figures, scaled
history.py   what jobs of earlier runs took, with the work that they did, and their forecast
forecast.py  work x rate, corrected by history, or by the speed of this machine
fit.py       the reference's figures, made anew from a run
schedule.py  how long the jobs take together, under the limits of a machine or a profile
total.py     the sum, as a run keeps it and as people read it
check.py     a forecast beside what happened
"""
