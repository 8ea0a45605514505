"""From probabilities to decisions: which labels a text gets, and which texts a person looks at.

=====================  ===============================================================
:mod:`.rule`           what is done with probabilities; stored in a run
:mod:`.thresholds`     the threshold of a multi-label label with the best F1
:mod:`.costs`          what each mistake costs, as a person writes it down
:mod:`.tuning`         the rule that keeps a promise on validation texts, and what it leads to
:mod:`.answers`        the probabilities and references of the texts that a run was judged by
=====================  ===============================================================
"""
