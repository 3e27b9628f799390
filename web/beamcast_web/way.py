# SPDX-License-Identifier: BSD-3-Clause
"""How many pictures may be on the way to a browser: as many as fill the way and one more, so that a long way makes
pictures late but not few, and a narrow one does not fill up with old ones."""
import collections
import math

LEAST, MOST = 2, 6
LOOK = 8  # arrivals that are looked back upon
PAUSE = 0.5  # seconds without an arrival, after which the looking begins anew


class Way:
    def __init__(self):
        self.most = LEAST
        self._left = collections.deque()  # when those that are on the way left
        self._took = collections.deque(maxlen=LOOK)  # seconds
        self._came = collections.deque(maxlen=LOOK)

    def free(self):
        return len(self._left) < self.most

    def leaves(self, now):
        self._left.append(now)

    def arrived(self, now):
        if not self._left:
            return
        if self._came and now - self._came[-1] > PAUSE:
            self._came.clear()
            self._took.clear()
        self._took.append(now - self._left.popleft())
        self._came.append(now)
        if len(self._came) == LOOK:
            apart = max(1e-4, (self._came[-1] - self._came[0]) / (LOOK - 1))
            self.most = max(LEAST, min(MOST, 1 + math.ceil(min(self._took) / apart)))
