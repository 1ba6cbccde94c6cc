"""Settings of other libraries, read from their files and written as a configuration of this one."""
