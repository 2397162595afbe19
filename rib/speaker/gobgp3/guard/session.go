package guard

// session is the guard's knowledge of a session while it judges a message.
type session struct {
	guard  *Guard
	record *record
	agreed *agreement // since the OPEN
	now    []byte     // the message in hand, as it came
	places places     // of the VRF's limit
}

// rules are the rules in force.
func (s *session) rules() *Rules { return s.record.rules.Load() }

// outside tells whether the neighbour is neither of our AS nor of our confederation.
func (s *session) outside() bool { return s.agreed.External && !s.agreed.Member }

// say logs an intervention in the message in hand.
func (s *session) say(why Reason, detail string) {
	s.record.say(s.guard.log, s.guard.now(), why, detail, s.now)
}
