"""The Solver bench page: solvers on problems whose true result is known."""
