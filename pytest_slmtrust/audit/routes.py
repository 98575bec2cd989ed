"""The key of an evidence that names the model of a composed system which answered."""

#: Which route answered; the names of several, where a case asks more than once.
ANSWERED_BY = "answered_by"
#: The route of an item whose cases were answered by different ones.
MIXED = "several"
