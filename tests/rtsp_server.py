"""An RTSP camera on 127.0.0.1.

GStreamer's own server, run by the system's Python (Debian: gir1.2-gst-rtsp-server-1.0 and python3-gst-1.0).

python3 tests/rtsp_server.py PORT KIND [USER PASSWORD], where KIND is one of PIPELINES.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

BALL = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate={}/1"
X264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25"
PIPELINES = {
    "progressive": f"( {BALL.format(25)} ! {X264} ! rtph264pay name=pay0 pt=96 )",
    "h264 interlaced": (  # 50 instants a second, two in each frame: one in the even lines, one in the odd
        f"( {BALL.format(50)} ! interlace field-pattern=1:1 ! {X264} interlaced=true bitrate=8000 "
        "! rtph264pay name=pay0 pt=96 )"
    ),
}


def main(port: str, kind: str, user: str | None = None, password: str | None = None) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINES[kind])
    factory.set_shared(True)
    if user:
        _protect(server, factory, user, password)
    server.get_mount_points().add_factory("/test", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


def _protect(server: object, factory: object, user: str, password: str) -> None:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role("user", f"media.factory.{right}", True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    main(*sys.argv[1:])
