"""The comparison of Junto with other federated engines. `README.md` beside this package says how to run it."""
