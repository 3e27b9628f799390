# SPDX-License-Identifier: BSD-3-Clause
"""The headless viewer: what rank 0 of beamcast-viewer runs. See viewer/README.md."""
