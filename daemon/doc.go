// Package daemon is vrfredist as a process that runs: it wires the parts of the house
// and joins them, reads the configuration, and makes every change of what is in force.
//
// It promises three things. A change is made wholly or not at all: where one step of a
// reload fails, the steps before it are taken back, and the error says what could not
// be. One change is made at a time. And a reload that waits to be confirmed comes to an
// end by itself: by Confirm, by its timer, or by a start of the daemon, which finds in
// the state directory what was in force before.
//
// Begin at Run (run.go), which makes the parts and runs them.
package daemon
