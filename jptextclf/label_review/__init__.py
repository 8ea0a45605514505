"""Labels that look wrong, for a person to look at, and the corrected data.

=================  =====================================================================
:mod:`.ranking`    which labels look wrong, the worst first
:mod:`.sheet`      an Excel sheet with them, and what a person wrote into it
:mod:`.applying`   the data with these corrections, and a list of them
=================  =====================================================================
"""
