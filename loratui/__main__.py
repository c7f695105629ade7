"""`python -m loratui`, and the command `loratui`: guarded before anything is imported that takes time."""

from trainer.contract.run.program import begin, run_program


def main() -> None:
    """The entry point: a command to its end, with its exit code."""
    begin()
    from loratui.cli import main as command

    run_program(command)


if __name__ == "__main__":
    main()
