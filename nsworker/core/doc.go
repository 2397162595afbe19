// Package core keeps the network between PEs as this router has it: how each other PE is reached
// there, the VXLAN devices that VRFs have over it, and the labels and SIDs by which their packets come
// in.
//
// [Core] asks the kernel itself which route leads to a PE, whoever wrote that route, and keeps the
// answer until a route, a link or a rule says that it may be another. Workers read the answers
// ([Core.PE]) and are woken when one changes; they never wait for the kernel here.
//
// One goroutine, that of [Core.Run], does all that asks the kernel. Begin reading at core.go.
package core
