"""Every way a command ends, in one tree.

WarehouseError                  1  a defect of ours
├── Misuse                      2  usage or configuration; nothing was touched
├── ApiError
│   ├── KeyRefused              3  401/403
│   ├── Unavailable             4  no answer within the retry budget
│   ├── NotFound                5  404 by id; handled by whoever asked
│   └── ContractBroken          5  an answer that is not what the API's pages promise
│       ├── NotAccepted         5  a request that the API calls invalid
│       └── NotProven           5  a window that could not be read completely
├── Locked                      6  another process writes this warehouse
├── CheckFailed                 7  a check of severity error found rows
├── OutOfResources              9  disk full, no write permission
├── Refused                    10  too much would be marked as deleted; `--yes` does it
└── Stopped               130/143  Ctrl-C or SIGTERM, after the package in hand
"""

from __future__ import annotations

EXIT_CODES = {
    0: "Done, also when nothing was new.",
    1: "A defect of ours; the traceback is in the log.",
    2: "Usage or configuration; nothing was touched.",
    3: "The API key was refused; the message names the missing permission.",
    4: "The API is unavailable or rate-limited past the retry budget; "
    "for `status --max-age`: the warehouse is older than that.",
    5: "The API broke its contract, or a window could not be proven complete.",
    6: "Another process is writing this warehouse; the message names it.",
    7: "A check of severity error failed; nothing was published.",
    8: "Loaded and published, but some records could not be read: they are kept whole in "
    "`devin.rejected_records`, or were not to be had, and are asked for again each run.",
    9: "Local resources: disk full or no write permission.",
    10: "Refused without `--yes`.",
    130: "Stopped by Ctrl-C, after the package in hand.",
    143: "Stopped by SIGTERM, after the package in hand.",
}


class WarehouseError(Exception):
    """Anything a command reports in one sentence; `exit_code` is the process's exit code."""

    exit_code = 1


class Misuse(WarehouseError):
    """The command line, the configuration or a path cannot be used as given."""

    exit_code = 2


class ApiError(WarehouseError):
    """The API did not give what was asked for."""

    exit_code = 5


class KeyRefused(ApiError):
    """401 or 403: the key is wrong, expired or lacks a permission."""

    exit_code = 3


class Unavailable(ApiError):
    """No usable answer within the retry budget."""

    exit_code = 4


class NotFound(ApiError):
    """404 for one id."""


class ContractBroken(ApiError):
    """An answer that the API's documentation rules out."""


class NotAccepted(ContractBroken):
    """400, 405, 422 and the like: a request that the API calls invalid."""


class NotProven(ContractBroken):
    """A window that could not be proven complete, however often it was read."""


class Locked(WarehouseError):
    """Another process holds the warehouse."""

    exit_code = 6


class CheckFailed(WarehouseError):
    """A check of severity error found rows in the finished copy."""

    exit_code = 7


class OutOfResources(WarehouseError):
    """The disk is full, or a file or folder may not be written."""

    exit_code = 9


class Refused(WarehouseError):
    """What was asked for looks like a mistake, and wants `--yes`."""

    exit_code = 10


class Stopped(WarehouseError):
    """A signal asked the run to stop; everything up to the package in hand is committed."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__("Stopped; what was committed stays, the next run goes on from there.")
