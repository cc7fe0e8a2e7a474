package hopinfo

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2/mmdbdata"
)

// record holds the few fields that matter of the layouts in use, and decodes
// nothing else:
//
//	MaxMind ASN, ISP        autonomous_system_number, autonomous_system_organization
//	MaxMind Country, City   country.iso_code (DB-IP has the same two layouts)
//	IPinfo lite             asn, as_name, country_code, and country as a word
//	IPinfo country_asn      asn, as_name, country
//	IPinfo asn              asn, name
//	IPinfo country          country
type record struct {
	Number       field `maxminddb:"autonomous_system_number"`
	Organization field `maxminddb:"autonomous_system_organization"`
	ASN          field `maxminddb:"asn"`
	ASName       field `maxminddb:"as_name"`
	Name         field `maxminddb:"name"` // of the system, beside asn
	CountryCode  field `maxminddb:"country_code"`
	Country      field `maxminddb:"country"`
}

// info is what a record says.
func (r record) info() Info {
	var i Info
	number := strings.TrimPrefix(strings.ToUpper(string(cmp.Or(r.Number, r.ASN))), "AS")
	if n, err := strconv.ParseUint(number, 10, 32); err == nil { // RFC 6793: four octets
		i.ASN = int(n)
		i.Owner = cleanOwner(string(cmp.Or(r.Organization, r.ASName, r.Name)))
	}
	if code := strings.ToUpper(string(cmp.Or(r.CountryCode, r.Country))); isCountry(code) {
		i.Country = code
	}
	return i
}

// isCountry reports whether s has the form of an ISO 3166-1 alpha-2 code.
func isCountry(s string) bool {
	return len(s) == 2 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// field is a value in the form that its layout gives it: a string, a number,
// or a map whose iso_code counts. Anything else is "".
type field string

// UnmarshalMaxMindDBCursor reads the value, of whatever kind it is.
func (f *field) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	kind, err := c.Kind()
	if err != nil {
		return c, err
	}
	switch kind {
	case mmdbdata.KindString:
		s, next, err := c.ReadString()
		*f = field(s)
		return next, err
	case mmdbdata.KindUint16, mmdbdata.KindUint32, mmdbdata.KindUint64:
		n, next, err := c.ReadUint()
		*f = field(strconv.FormatUint(n, 10))
		return next, err
	case mmdbdata.KindMap:
		return f.isoCode(c)
	}
	return c.Skip()
}

// isoCode reads the iso_code of a map.
func (f *field) isoCode(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	m, err := c.Map()
	if err != nil {
		return c, err
	}
	var next mmdbdata.Cursor
	for {
		key, value, ok := m.Next(next)
		if !ok {
			return m.End()
		}
		if string(key) != "iso_code" {
			next, err = value.Skip()
		} else {
			var s string
			s, next, err = value.ReadString()
			*f = field(s)
		}
		if err != nil {
			return c, err
		}
	}
}
