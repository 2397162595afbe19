// Package rib holds what vrfredist thinks about: routes, candidate paths, best
// path per VRF, policy, nexthop resolution and the diff against the kernel.
//
// It is pure: no I/O and no goroutine. Types are plain values unless their
// documentation says otherwise. Packages that talk to BGP (rib/speaker) and to
// the kernel (nsworker/kernel) translate into and out of these types.
package rib
