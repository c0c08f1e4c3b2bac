"""The service whose streams live by notifications: its front never looks at logs by the clock."""

import sys

from server.__main__ import main
from server.rpc import stream_watch

if __name__ == "__main__":
    stream_watch.TICKS_BETWEEN_RINGS = sys.maxsize
    main()
