def distributions(archive, *, seeds, temperature, key):
    pass
