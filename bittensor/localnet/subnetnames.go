package localnet

import "strings"

// subnetNames are the names that the runtime gives to subnets 0 to 57 while
// their owners have set none. Higher ones are "unknown" here; the runtime has
// letters of several alphabets for some of them.
var subnetNames = strings.Fields(`
root apex omron templar targon kaito infinite subvortex ptn pretrain sturdy dippy horde dataverse palaidn deval
bitads 3gen cortex inference bitagent any-any meta social omega protein alchemy compute oracle coldint bet naschain
itsai ready mind logic automata tuning distributed edge chunk sportsensor masa graphite score gen42 neural condense
nextplace automl audio celium dojo frontier safescan unknown gradients gaia`)

// subnetName is what the owner calls a subnet, else the runtime's own name.
func (s *storage) subnetName(netuid uint16) string {
	// The name is the first field of the identity.
	if name := vector(s.raw("SubnetIdentitiesV3", le16(netuid)), 1, readByte); len(name) > 0 {
		return string(name)
	}
	if int(netuid) < len(subnetNames) {
		return subnetNames[netuid]
	}
	return "unknown"
}

// nameSubnet gives a subnet an identity that has only a name.
func (e *env) nameSubnet(netuid uint16, name string) error {
	rec, err := e.rt.pick("pallet_subtensor::pallet::SubnetIdentityV3", map[string]any{"subnet_name": []byte(name)})
	if err != nil {
		return err
	}
	return e.setStruct("SubnetIdentitiesV3", rec, le16(netuid))
}
