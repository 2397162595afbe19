package guard

// session is what the guard knows of a session while it judges a message.
type session struct {
	guard  *Guard
	record *record
	agreed *agreement // since the OPEN
	now    []byte     // the message in hand, as it came
	places places     // of the VRF's limit
}

// rules are those in force.
func (s *session) rules() *Rules { return s.record.rules.Load() }

// outside tells whether the neighbour is neither of our AS nor of our confederation.
func (s *session) outside() bool { return s.agreed.External && !s.agreed.Member }

// say logs what was done to the message in hand.
func (s *session) say(why Reason, detail string) {
	s.record.say(s.guard.log, s.guard.now(), why, detail, s.now)
}
