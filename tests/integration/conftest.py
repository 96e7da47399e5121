"""What the tests start hears the signals that it would hear from a shell, whoever started the tests (nohup, a job in the background)."""
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
