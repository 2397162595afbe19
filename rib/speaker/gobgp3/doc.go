// Package gobgp3 is GoBGP v3, embedded in this process. It runs the BGP server with
// gobgpd's own configuration, turns its paths into rib.Paths for the feeds, injects
// what VRFs announce, serves GoBGP's API, and keeps GoBGP from what it does wrong.
// Nothing outside may assume that GoBGP runs in this process: the rest of the daemon
// speaks of BGP in the words of package speaker.
//
// GoBGP is one goroutine, its loop, which owns its tables and neighbours. Where its API is
// too slow or has no call, functions of ours run in that loop and reach its structs
// (linked.go, gobgptypes.go, insides.go). Nothing of that is taken for granted: the layouts
// and the signatures that reflection can see are compared before BGP starts, and where one
// differs New or Run fails; the rest is held to the version in go.mod by a test.
//
// A Speaker is made of parts, each with its own state and lock: the feeder (one watch after
// another fills the feeds, from what changes and a reading tell it in the loop), the endings
// (of sessions, ahead of what GoBGP makes of them), the injector, the keeper (limits, stale routes and leftovers,
// called by the loop), the guarding (package guard before each connection), the sessions,
// the drift (what other clients changed), the clients (what they may) and the reloader. The
// embedded server and the configuration in force are common to all; whoever changes the
// configuration holds embedded.changing, and the reloader alone stores another one.
//
// A reader begins with New and wire in speaker.go, then Run. A path from a neighbour goes
// through guarding.go, changes.go, watch.go, decoder.go and attrs.go; an announcement through injector.go.
package gobgp3
