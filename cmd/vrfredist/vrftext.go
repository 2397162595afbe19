package main

import (
	"fmt"
	"strings"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// carriageText says how packets get to other PEs: "vxlan 100, device vx100, router MAC
// 02:00:00:00:01:01, from 10.255.0.1", "mpls, label 16010, link vr-red, from 10.255.0.1".
func carriageText(m *vrfredistv1.Carriage) string {
	s := m.GetEncap()
	switch {
	case m.GetVni() != 0:
		s = fmt.Sprintf("%s %d", s, m.GetVni())
	case m.GetLabel() != 0:
		s = fmt.Sprintf("%s, label %d", s, m.GetLabel())
	case m.GetSid6() != "":
		s += ", SIDs " + m.GetSid() + " and " + m.GetSid6()
	case m.GetSid() != "":
		s += ", SID " + m.GetSid()
	}
	if m.GetDevice() != "" {
		s += ", device " + m.GetDevice()
	}
	if m.GetManaged() {
		s += " (managed)"
	}
	if m.GetCoreLink() != "" {
		s += ", link " + m.GetCoreLink()
	}
	if m.GetRouterMac() != "" {
		s += ", router MAC " + m.GetRouterMac()
	}
	if m.GetSource() != "" {
		s += ", from " + m.GetSource()
	}
	if m.GetCoreNetns() != "" {
		s += " in netns " + m.GetCoreNetns()
	}
	return s
}

// madeText says how a VRF device is made: "blue, made here, table 1000, with lan1".
func madeText(device string, m *vrfredistv1.MadeDevice) string {
	s := fmt.Sprintf("%s, made here, table %d", device, m.GetTable())
	if list := m.GetInterfaces(); len(list) > 0 {
		s += ", with " + strings.Join(list, ", ")
	}
	return s
}
