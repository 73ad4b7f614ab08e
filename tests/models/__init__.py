"""Models made for tests and benches, where no published one will do."""
