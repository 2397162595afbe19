package rib

import "time"

// Refusal is why a neighbour's announcement of a prefix was not taken.
type Refusal struct {
	Neighbour string // as BGP knows it: an alias, where it is in a namespace
	Reason    string
	At        time.Time
}
