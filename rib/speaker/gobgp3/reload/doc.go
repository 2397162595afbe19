// Package reload brings another configuration into force in the running GoBGP, which
// itself can do that with neighbours and policies alone, and holds GoBGP's state against
// the claim of a configuration, because other clients of GoBGP's API change it.
//
// A Held is a reading of all that a configuration is about: VRFs, neighbours, peer groups
// and policies. A Claim is a configuration with the reading that was made when it had
// been put in place; its Differences with a later reading were made by clients, as were
// its Additions. A Reconciler begins with the server's state (Correct), and changes one
// thing after the other (Reach); it notes each step that succeeds, so
// that it can go back. Compare names its changes beforehand, for a plan.
//
// The package owns no state but a Reconciler's, which lasts for one reload. Calls take
// turns: whoever reloads, and whoever makes a change for another client, holds the
// speaker's one lock meanwhile. It reaches the server by GoBGP's own API and by Server,
// and knows nothing of GoBGP's insides but one function that is linked by name.
//
// A reader begins with Reach in reconciler.go, and with Claim in claim.go for other
// clients.
package reload
