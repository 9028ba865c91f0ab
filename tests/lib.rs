//! Black-box tests of the built binary, each against an engine of its own: `it/` holds one file per promise, `kill/` kills
//! hako's processes at any moment and looks at what is left.
