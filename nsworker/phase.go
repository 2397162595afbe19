package nsworker

// phase is how well the table is known.
type phase uint8

const (
	unread    phase = iota // nothing is written before the table was read
	catchUp                // it was read, and what that and BGP made due is not all done yet
	inStep                 // everything was done once
	outOfStep              // the outcome of a batch is not known: nothing is written before the next reading
)

// known tells whether what is known of the table was read, or confirmed.
func (p phase) known() bool { return p == catchUp || p == inStep }

// synced tells whether everything was done once.
func (p phase) synced() bool { return p >= inStep }

// read is the phase after a reading.
func (p phase) read() phase {
	if p.synced() {
		return inStep
	}
	return catchUp
}

// lost is the phase after a batch whose outcome is not known.
func (p phase) lost() phase {
	if p.synced() {
		return outOfStep
	}
	return unread
}
