// Package devices makes the VRF devices of VRFs where the configuration asks for that, each in the
// namespace that its VRF is bound to: the device with its table, the ends of that, the rule that
// leads to it, and the interfaces that belong into it. It takes them away with the VRF.
//
// It promises that only a device that carries the VRF's mark is changed or removed, so that the mark
// in the kernel is the truth after a crash; that a device stays for as long as a worker has its table
// open; and that it does not fight: what another program takes away again and again is left alone for
// a while, and that is said.
//
// One goroutine, that of [Keeper.Run], does all that asks the kernel. Begin reading at keeper.go; what
// is to be done with one device is decided in judge.go.
package devices
