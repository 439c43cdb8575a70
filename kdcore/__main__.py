from kdcore.cli import main

if __name__ == "__main__":  # a spawned worker imports this file, and must not run it
    raise SystemExit(main())
