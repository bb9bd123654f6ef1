"""What runs the course: the command line, the lessons as files, running them, and the report.

Knows notebooks as files and learners as people at a terminal; knows nothing about models.
"""
