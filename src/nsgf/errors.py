"""The one error type: what is wrong, where, and how to mend it."""


class NsgfError(Exception):
    """A mistake that the user can mend; the command line prints it without a traceback.

    Args:
        what: one sentence that says what is wrong and where.
        mend: what to do about it.
        facts: further `name: value` lines, such as who made the file.
    """

    def __init__(self, what: str, mend: str, **facts: object):
        super().__init__(what)
        self.what = what
        self.mend = mend
        self.facts = facts

    def __str__(self) -> str:
        lines = {name.replace("_", " "): value for name, value in self.facts.items()}
        lines["mend"] = self.mend
        width = max(len(name) for name in lines)
        return "\n".join([self.what, *(f"  {n:<{width}}  {v}" for n, v in lines.items())])

    def __reduce__(self):
        return _rebuild, (type(self), self.what, self.mend, self.facts)


class NotConverged(NsgfError):
    """An iteration ended with its error above the tolerance that was asked for."""


def _rebuild(kind, what, mend, facts):
    return kind(what, mend, **facts)
