"""Executors that compute in this process, and show what others would do."""

import pickle
from concurrent.futures import Executor, Future


class Pickling(Executor):
    """Every task is pickled, sent to nowhere, and computed at once: as by another process that has the same modules."""

    def submit(self, function, /, *arguments):
        future = Future()
        try:
            function, arguments = pickle.loads(pickle.dumps((function, arguments)))
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class Waiting(Executor):
    """The first tasks are computed at once, the others never; one more may be interrupted."""

    def __init__(self, n_computed, interrupted_at=None):
        self.n_computed, self.interrupted_at, self.futures = n_computed, interrupted_at, []

    def submit(self, function, /, *arguments):
        if len(self.futures) == self.interrupted_at:
            raise KeyboardInterrupt
        future = Future()
        self.futures.append(future)
        if len(self.futures) <= self.n_computed:
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)
        return future


class Sharing(Pickling):
    """An executor that holds shared values, as a cluster does."""

    def __init__(self):
        self.held = []

    def share(self, value):
        self.held.append(value)
        return Handle(len(self.held) - 1)

    def submit(self, function, /, *arguments):
        values = [self.held[each.place] if isinstance(each, Handle) else each for each in arguments]
        return super().submit(function, *values)


class Handle:
    """A reference to a shared value."""

    def __init__(self, place):
        self.place = place
