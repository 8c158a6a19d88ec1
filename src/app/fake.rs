//! A worker by script: answers commands with procedurally drawn faces, for tests of the window.
