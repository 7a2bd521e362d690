//! Programs that print their traces; see the files beside this one.
