// Package kernel is netlink in network namespaces: it opens the routing table
// of a VRF, reads it, writes it and tells of the changes that others make there.
//
// A Host is the kernel of this machine: begin reading there. Open gives a Conn,
// which is one table and belongs to one worker; behind all Conns of one namespace
// stands one monitor with one event socket, because every subscribed socket slows
// down every program that changes routes there. The monitor owns what it knows of
// links and nexthop objects, and puts events into each Conn's inbox. Sockets are
// bound to a namespace when they are made, on a thread that is put back or thrown
// away, and wait in Go's poller, so that a thousand namespaces hold no thread.
//
// A monitor hears nothing of what its Conns write: a socket filter in the kernel
// knows them by the range of their port ids. Conns write in batches with one
// acknowledgement each, and share what routes have in common when they read.
//
// The namespace of a VRF is known by device and inode, not by name, and is
// watched by inotify on the directory of its file and by poll on
// /proc/self/mountinfo: a bind mount on a file that exists already gives no
// inotify event. A path through /proc/PID/ns has neither; it works when it is
// there at Open, and the end of that process is not seen.
//
// On the VXLAN devices of a table stand the entries for other PEs: a sight reads them and plans
// what to write, a Conn's endpointBook knows what should stand, and the namespace's entryWatch
// hears what others do there. A workshop makes such a device over the core (Host.MakeVXLAN), and
// an Underlay looks up how the core itself leads to a PE.
//
// A table that is to be written is owned (Host.Own): claims hold its name, a
// rival is another program that has the name. Namespaces enter a namespace, change
// its settings and look at it for the doctor, without a Host that runs.
package kernel
