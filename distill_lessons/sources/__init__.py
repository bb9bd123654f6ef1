"""Where data come from: one record per source, its reader, its download.

`record` says what a source is and `catalogue` lists those of the course; both are light to import.
`find` takes a name to its record, `readers` and `folder` turn files into tensors, `fetch` downloads
what is missing. A new data set is one entry in the catalogue and one reader. Splitting is the
business of `data`.
"""
