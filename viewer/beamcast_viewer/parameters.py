# SPDX-License-Identifier: BSD-3-Clause
"""The parameters that a kernel file declares (docs/kernels.md), and the values that they are given."""
import math
import os

from . import colours, errors


def wrong(text, *values):
    raise errors.Refused(errors.ARGUMENT, text % values)


OWN = os.path.realpath(os.path.join(os.path.dirname(os.readlink("/proc/self/exe")), "..", "share", "beamcast", "kernels"))


def find(kernel):
    """What a kernel is called: one of the built-in ones, a file's path, or one of Beamcast's own files by its name."""
    own = os.path.join(OWN, kernel if kernel.endswith(".c") else kernel + ".c")
    if kernel in colours.KERNELS or os.path.isfile(kernel) or "/" in kernel or not os.path.isfile(own):
        return kernel
    return own


def own():
    return sorted(name[:-2] for name in os.listdir(OWN) if name.endswith(".c")) if os.path.isdir(OWN) else []


def declared(receiver, kernel):
    """What a kernel declares, as a list of dicts: name, type, minimum, maximum, value (the default), help."""
    if kernel in colours.KERNELS:
        return []
    try:
        return receiver.kernel_parameters(kernel)
    except RuntimeError as unreadable:
        raise errors.Refused(errors.ARGUMENT, str(unreadable)) from unreadable


def read(given):
    """Values by name, from a dict or from "name=value name=value"."""
    if isinstance(given, str):
        pairs = [word.partition("=") for word in given.split()]
        if not all(name and equals for name, equals, _ in pairs):
            wrong('parameters are given as name=value, not as "%s"', given)
        given = {name: value for name, _, value in pairs}
    if not isinstance(given, dict):
        wrong("parameters are a dict, or name=value name=value")
    values = {}
    for name, value in given.items():
        try:
            values[name] = float(value)
        except (TypeError, ValueError):
            wrong("the parameter %s is a number, not %s", name, value)
    return values


def check(receiver, kernel, given):
    """The values, where the kernel has such parameters and takes such values."""
    values, known = read(given), {one["name"]: one for one in declared(receiver, kernel)}
    for name, value in values.items():
        if not known:
            wrong("the kernel %s has no parameters; a kernel file may declare some (--kernel /path/kernel.c)", kernel)
        if name not in known:
            wrong("the kernel %s has no parameter %s; it has %s", kernel, name, ", ".join(
                "%s (%g to %g)" % (one["name"], one["minimum"], one["maximum"]) for one in known.values()))
        one = known[name]
        if not (math.isfinite(value) and one["minimum"] <= value <= one["maximum"]):
            wrong("%s is from %g to %g, not %g", name, one["minimum"], one["maximum"], value)
        if one["type"] == "int" and value != int(value):
            wrong("%s is a whole number, not %g", name, value)
    return values


def text(receiver, kernel, values):
    """All parameters of a kernel as the property XACParameters takes them: the renderer keeps what is not given."""
    try:
        known = declared(receiver, kernel)
    except errors.Refused:  # the renderer says why the file can't be read
        return ""
    return " ".join("%s=%.17g" % (one["name"], values.get(one["name"], one["value"])) for one in known)


def state(receiver, kernel, values):
    """What the kernel declares, with the values that are used."""
    try:
        return [dict(one, value=values.get(one["name"], one["value"])) for one in declared(receiver, kernel)]
    except errors.Refused:
        return []
