// Package routeradvert sends router advertisements (RFC 4861) on links with unnumbered BGP
// neighbours, which learn our link-local address from them: FRR and what is built on it
// (Cumulus, SONiC) dial a neighbour on an interface only when they have heard one.
//
// It promises that what it sends says no more than that there is a router: no prefix, and the
// lifetime that FRR sends for the same purpose; that the last advertisement on a link ends the
// router's lifetime; and that it is quiet on a link on which it hears another program of this
// host advertise, such as radvd, whose advertisements serve the neighbours as well. FRR's zebra
// does not let its own host hear them (IPV6_MULTICAST_LOOP).
//
// An Advertiser owns one goroutine for each link. A reader begins with Advertiser.Run, then
// link.serve.
package routeradvert
