# SPDX-License-Identifier: BSD-3-Clause
"""Answers calls that come over the wire: which verbs there are, who may use them."""
import json
import traceback

from . import errors, pictures, voxels


def _triple(values):
    return None if values is None else tuple(values)


class Calls:
    """Takes calls from the receiver and has the viewer do what they ask, one at a time.

    A call is {"verb": NAME, ...}. add() makes a verb known; those that a contact for viewing may use
    change nothing.
    """

    def __init__(self, viewer, receiver):
        self.viewer = viewer
        self.receiver = receiver
        self.descriptor = receiver.serve_calls()
        self._verbs = {}
        self._number = None  # of the call that is being answered
        viewer.on_wait(lambda *_: self._number is not None and not receiver.is_awaited(self._number))
        self.add("state", self._state, view=True)
        self.add("screenshot", self._screenshot, view=True)
        self.add("set", self._set)
        self.add("open", self._open)
        self.add("request", self._request)
        self.add("crop", self._crop)
        self.add("retrieve", self._retrieve, view=True)

    def add(self, name, function, view=False):
        """function(arguments: dict, data: bytes) returns a dict, or a dict and bytes."""
        self._verbs[name] = (function, view)

    def take(self):
        """Answers all calls that wait."""
        while (call := self.receiver.next_call()) is not None:
            self._number, full, text, data = call
            answer = self._answer(full, text, data)
            self.receiver.reply(self._number, *answer)
            self._number = None

    def _answer(self, full, text, data):
        try:
            arguments = json.loads(text)
            if not isinstance(arguments, dict):
                raise errors.Refused(errors.ARGUMENT, "a call is a JSON object")
            function, view = self._verbs.get(arguments.pop("verb", None), (None, False))
            if function is None:
                raise errors.Refused(errors.UNSUPPORTED, "the viewer knows %s"
                                     % ", ".join(sorted(self._verbs)))
            if not (view or full):
                raise errors.Refused(errors.REFUSED, "this contact is for viewing only")
            result = function(arguments, data)
            answer, payload = result if isinstance(result, tuple) else (result, b"")
            return 0, "", json.dumps(answer or {}), payload
        except errors.Refused as refused:
            return refused.code, str(refused), "{}", b""
        except (TypeError, ValueError) as wrong:
            return errors.ARGUMENT, "the call makes no sense: %s" % wrong, "{}", b""
        except Exception as wrong:  # whatever a call does, the viewer goes on
            traceback.print_exc()
            return errors.UNSUPPORTED, "the viewer failed: %s" % wrong, "{}", b""

    def _state(self, arguments, _):
        return self.viewer.state()

    def _screenshot(self, arguments, _):
        kind = arguments.pop("format", "png")
        for name in ("size", "camera", "window", "slice"):
            if name in arguments:
                arguments[name] = _triple(arguments[name])
        picture, notes = self.viewer.screenshot(**arguments)
        answer = {"width": picture.shape[1], "height": picture.shape[0], "provenance": notes}
        if kind == "rgba":
            return answer, picture.tobytes()
        if kind != "png":
            raise errors.Refused(errors.ARGUMENT, "a picture's format is png or rgba")
        return answer, pictures.to_png(picture, {
            "Software": "Beamcast %s" % self.receiver.version,
            "Source": str(notes["shown"].get("source") or notes["shown"]["array"]),
            "Beamcast": json.dumps(notes)})

    def _set(self, arguments, _):
        self.viewer.set(**arguments)
        return self.viewer.state()

    def _open(self, arguments, _):
        return {"shown": self.viewer.open_file(**arguments)}

    def _crop(self, arguments, _):
        voxels.set_crop(self.viewer, arguments.get("box"))
        return {"crop": voxels.crop_box(self.viewer)}

    def _retrieve(self, arguments, _):
        if "box" in arguments:
            return voxels.fetch(self.viewer, **arguments)
        return voxels.describe(self.viewer)

    def _request(self, arguments, _):
        stream = arguments.pop("stream", self.viewer.stream)
        try:
            self.receiver.request(stream, json.dumps(arguments["message"]))
        except (KeyError, RuntimeError) as wrong:
            raise errors.Refused(errors.ARGUMENT, "the request was not sent: %s" % wrong) from wrong
