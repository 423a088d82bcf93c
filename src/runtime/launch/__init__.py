"""The launcher of several processes on one or more machines; it never loads MindSpore."""
