"""The log of an app that runs under a supervisor: kept in files, read by anybody at any time.

    AppLog      writes it (app_log.py): container pipe -> spool file -> log file
    Spool       what one container wrote and is not yet in the log (spool.py)
    LogStore    the log files: appending, rotation, mending after a kill (store.py)
    batches     how they look inside
    LogReader   reads and follows them (reader.py), shown.py prints

No line is lost or doubled when the writer is killed. The kernel moves a container's output from
its pipe to its spool file (splice(2)): at no moment is it in our memory alone. What is then
appended to the log carries the container and the offset in its spool up to which it reaches. So
the log itself says where a successor goes on. Nothing is synced to the disk: a power cut may take
the last seconds.
"""
