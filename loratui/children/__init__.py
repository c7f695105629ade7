"""The programs that loratui starts and listens to."""
