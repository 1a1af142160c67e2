//! Roulette wheels: families behind one trait, spun by a generator of one's choice.
