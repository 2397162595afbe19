// Package conf is GoBGP's part of a configuration: it checks it as gobgpd would, and
// more strictly, reads it, and says what two configurations differ in. It starts
// nothing, and asks no server.
//
// Check says everything that is wrong with a text, key by key (types.go, neighbors.go,
// policies.go), and gives it to GoBGP's own reader last. Read makes a Config of a text
// that Check found good, in the form in which GoBGP gets it: without prefix-limits, which
// are counted by ourselves (limits.go), without neighbours on interfaces where nobody was
// heard (placing.go), and with policies of our own before the file's (rules.go: the
// well-known communities, blackholes, the nexthop of VPN routes). Beside it stand the
// settings for which GoBGP's file has no keys: rib.Extras.
//
// A Config is immutable: whoever has one in force replaces it as a whole. GoBGP's reader
// keeps state in package variables, so Read and Check take turns behind one lock.
//
// A reader begins with Read in config.go, and with Check in check.go for errors.
package conf
