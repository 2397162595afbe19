// Package speaker has the parts that any source of BGP routes needs, whichever program
// speaks BGP: it knows route targets, feeds and announcements, and no BGP server. The one
// that is embedded in this process is below it, in gobgp3.
//
// A server hands each best path to an Intake, which finds the VRFs whose import route
// targets the path meets (index.go), and puts it into their Feeds; a path that met a
// VRF's before and does not any more is taken out there. A feed is converged when every
// neighbour that feeds it has sent its End-of-RIB (convergence.go). In the other
// direction an Announcer keeps a Ledger of confirmed announcements for each VRF, and puts
// changes into the server by an Injector. A Foresight works out which paths each VRF
// would have under another configuration, from the feeds and from the server's tables.
//
// Feeds, Markers, Announcer and its Ledgers are safe for concurrent use, and outlive
// each Intake; an Intake has one user at a time, and is made anew when neighbours, mirrors,
// leaks or route targets change. Where VRFs come and go alone it goes on (vrfchange.go). The rest are values (Session, Difference, Limit, Report): what the
// daemon, doctor, metrics and the API say of BGP, in words of no server's.
//
// A reader begins with Intake, then Announcer. The package speakertest has a speaker
// that a test feeds by hand, made of these parts.
package speaker
