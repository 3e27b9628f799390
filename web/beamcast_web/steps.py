# SPDX-License-Identifier: BSD-3-Clause
"""Steps that are kept to go back in time, and what producers are asked."""
import json

from beamcast_viewer import errors

MOST = 64  # steps that a page may have kept


class Steps:
    def __init__(self, viewer, commands):
        self.viewer = viewer
        self._gone = False  # whether the step that was shown is kept no more
        commands.add("keep", self._keep, steers=True)
        commands.add("time", self._go, steers=True)
        commands.add("request", self._request, steers=True)

    def state(self):
        live = self.viewer.live
        if self.viewer.source is not live or not live.Keep:
            if self.viewer.time is not None:
                self.follow()
            return {"keep": live.Keep, "times": [], "time": None, "gone": False}
        live.UpdatePipelineInformation()
        kept = live.SMProxy.GetProperty("TimestepValues")
        times = [kept.GetElement(i) for i in range(kept.GetNumberOfElements())]
        if self.viewer.time is not None and self.viewer.time not in times:
            self.follow(gone=True)
        return {"keep": live.Keep, "times": times, "time": self.viewer.time, "gone": self._gone}

    def follow(self, gone=False):
        self._gone = gone
        self.viewer.time = None
        self.viewer.live.FollowNewest = 1
        if self.viewer.source is self.viewer.live:
            self.viewer.live.UpdatePipeline()
            self.viewer.adopt()
        self.viewer.changed()

    def _keep(self, _, steps):
        count = int(steps)
        if not 0 <= count <= MOST:
            raise errors.Refused(errors.ARGUMENT, "0 to %d steps can be kept" % MOST)
        self.viewer.live.Keep = count
        self.follow()
        self.viewer.live.UpdatePipeline()

    def _go(self, _, time=None):
        """Shows the kept step of this time, or the next one that is still kept; None: the newest one, and those that come."""
        if time is None:
            self.follow()
            return
        kept = [one for one in self.state()["times"] if one >= float(time)]
        if not kept:
            raise errors.Refused(errors.ARGUMENT, "this step is no longer kept")
        live, self._gone = self.viewer.live, False
        self.viewer.time = self.viewer.view.ViewTime = min(kept)
        for newest in (1, 0):  # the source knows the time first, so that the step's own extent is told with it
            live.FollowNewest = newest
            live.UpdatePipeline(self.viewer.time)
        self.viewer.adopt()  # a step of an earlier run may be another volume
        self.viewer.changed()

    def _request(self, _, message):
        """A region, a centre, or to stop, for the producers: see docs/insitu.md."""
        if not isinstance(message, dict) or not message or set(message) - {"region", "centre", "stop"}:
            raise errors.Refused(errors.ARGUMENT, "producers are asked for a region, a centre, or to stop")
        try:
            self.viewer.receiver.request(self.viewer.stream, json.dumps(message))
        except RuntimeError as wrong:
            raise errors.Refused(errors.REFUSED, "the request was not sent: %s" % wrong) from None
