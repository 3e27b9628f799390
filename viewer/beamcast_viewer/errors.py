# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong, as a code of beamcast_types.h and a sentence for whoever asked."""

ARGUMENT, MEMORY, TIMEOUT, CONNECTION, REFUSED, PROTOCOL, IO, UNSUPPORTED = range(1, 9)


class Refused(Exception):
    """A call that can't be done. code: one of the above; the sentence says what to do."""

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code
