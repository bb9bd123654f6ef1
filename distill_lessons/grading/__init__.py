"""The instructor's side: release a lab, and grade what comes back. A student build has none of it.

`release` writes what students get, `leaks` reads it again for anything that gives an answer away.
`submissions` reads what came back, `box` runs one of them behind a `fence` (`sit` is what runs
there), `marking` compares and gives points, `tables` writes them down.
"""
