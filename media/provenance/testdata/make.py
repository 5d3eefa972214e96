#!/usr/bin/env python3
"""Makes the pictures of this folder. Run once; the results are kept here.

    python3 -m venv /tmp/v
    /tmp/v/bin/pip install c2pa-python==0.38.1 cryptography==50.0.2 pillow==13.0.0 pillow-heif==1.8.1
    /tmp/v/bin/python make.py

The picture is a gradient drawn here. The certificates are made here too, for a
hundred years, and their keys are thrown away: another run makes other ones.
"""

import datetime
import io
import json
import os

import c2pa
import pillow_heif
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import ExifTags, Image, PngImagePlugin

os.chdir(os.path.dirname(os.path.abspath(__file__)))
pillow_heif.register_heif_opener()

picture = Image.new("RGB", (64, 48))
picture.putdata([(4 * x, 5 * y, 128) for y in range(48) for x in range(64)])

# --- unsigned metadata, as Pillow writes it -----------------------------------

exif = Image.Exif()
exif[ExifTags.Base.Make] = "Examplecam"
exif[ExifTags.Base.Model] = "Examplecam X100"
exif[ExifTags.Base.Software] = "Adobe Photoshop 26.0"
exif[ExifTags.Base.Artist] = "A. Photographer"
exif[ExifTags.Base.Copyright] = "2026 A. Photographer"
fields = exif.get_ifd(ExifTags.IFD.Exif)
fields[ExifTags.Base.DateTimeOriginal] = "2026:03:01 10:00:00"
fields[ExifTags.Base.LensModel] = "Examplecam 35mm F2"
fields[ExifTags.Base.UserComment] = b"UNICODE\0" + "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x48".encode("utf-16-be")
gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
gps[ExifTags.GPS.GPSLatitudeRef] = "N"
gps[ExifTags.GPS.GPSLatitude] = (12.0, 34.0, 56.78)

xmp = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
 xmp:CreatorTool="Adobe Firefly" photoshop:Credit="Made with Google AI">
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>
<dc:creator><rdf:Seq><rdf:li>A. Painter</rdf:li></rdf:Seq></dc:creator>
<xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource"><stEvt:action>created</stEvt:action><stEvt:softwareAgent>Krita 5</stEvt:softwareAgent></rdf:li>
<rdf:li stEvt:action="saved" stEvt:softwareAgent="Krita 5"/></rdf:Seq></xmpMM:History>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

for name in ("jpg", "png", "webp", "avif", "heic", "tif"):
    extra = {"exif": exif, "xmp": xmp}
    if name == "tif":
        exif[700] = xmp  # and the other directories, which Pillow leaves out of a TIFF
        exif[ExifTags.IFD.Exif], exif[ExifTags.IFD.GPSInfo] = dict(fields), dict(gps)
        extra = {"exif": exif}
    if name == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        extra = {"exif": exif, "pnginfo": info}
    picture.save("metadata." + name, **extra)

# Pillow does not write XMP into a GIF; Adobe's programs put it before the first frame.
plain = io.BytesIO()
picture.quantize(32).save(plain, "GIF")
plain = plain.getvalue()
at = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
magic = bytes([1, *range(255, -1, -1), 0])
with open("metadata.gif", "wb") as f:
    f.write(plain[:at] + b"\x21\xff\x0bXMP DataXMP" + xmp + magic + plain[at:])

# --- signed histories -----------------------------------------------------------

START, END = datetime.datetime(2026, 1, 1), datetime.datetime(2126, 1, 1)


def name(common, organisation):
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])


def usage(**true):
    kinds = ("digital_signature content_commitment key_encipherment data_encipherment key_agreement "
             "key_cert_sign crl_sign encipher_only decipher_only").split()
    return x509.KeyUsage(**{k: true.get(k, False) for k in kinds})


def certificate(subject, issuer, key, issuer_key, authority):
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(START).not_valid_after(END)
               .add_extension(x509.BasicConstraints(authority, 1 if authority else None), True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False))
    if authority:
        builder = builder.add_extension(usage(digital_signature=True, key_cert_sign=True, crl_sign=True), True)
    else:
        builder = (builder.add_extension(usage(digital_signature=True), True)
                   .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False))
    return builder.sign(issuer_key, hashes.SHA256())


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


root_key = ec.generate_private_key(ec.SECP256R1())
root_name = name("bitmind test root", "bitmind test")
root = certificate(root_name, root_name, root_key, root_key, True)
other_key = ec.generate_private_key(ec.SECP256R1())
with open("root.pem", "wb") as f:
    f.write(pem(root))
with open("other-root.pem", "wb") as f:
    n = name("another test root", "bitmind test")
    f.write(pem(certificate(n, n, other_key, other_key, True)))


def signer(common, organisation):
    key = ec.generate_private_key(ec.SECP256R1())
    cert = certificate(name(common, organisation), root_name, key, root_key, False)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return c2pa.C2paSignerInfo(alg=b"es256", sign_cert=pem(cert) + pem(root), private_key=private, ta_url=None)


def sign(info, manifest, data, media, ingredients=(), remote=None):
    # The library would add the thumbnail of a picture that is one.
    context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    builder = c2pa.Builder(manifest, context=context)
    for ingredient, ingredient_media, ingredient_data in ingredients:
        builder.add_ingredient(json.dumps(ingredient), ingredient_media, io.BytesIO(ingredient_data))
    if remote:
        builder.set_remote_url(remote)
        builder.set_no_embed()
    out = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), media, io.BytesIO(data), out)
    return out.getvalue()


def encoded(form, image=picture, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def created(title, term="trainedAlgorithmicMedia"):
    return {
        "claim_generator_info": [{"name": "Example Generator", "version": "1.0"}],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [
            {"action": "c2pa.created", "digitalSourceType": TERMS + term, "when": "2026-03-01T10:00:00Z",
             "softwareAgent": {"name": "Example Model", "version": "3"}},
            {"action": "c2pa.converted"},
        ]}}],
    }


generator = signer("Example Generator", "Example Generators Ltd")
editor = signer("Example Editor", "Example Editors Ltd")
for ext, form, media in (("jpg", "JPEG", "image/jpeg"), ("png", "PNG", "image/png"), ("webp", "WEBP", "image/webp"),
                         ("avif", "AVIF", "image/avif"), ("heic", "HEIF", "image/heic"), ("tif", "TIFF", "image/tiff")):
    with open("signed." + ext, "wb") as f:
        f.write(sign(generator, created("signed." + ext), encoded(form), media))
with open("signed.gif", "wb") as f:
    f.write(sign(generator, created("signed.gif"), encoded("GIF", picture.quantize(32)), "image/gif"))

generated = sign(generator, created("generated.jpg"), encoded("JPEG"), "image/jpeg")
edit = {
    "claim_generator_info": [{"name": "Example Editor", "version": "2.0"}],
    "title": "edited.jpg",
    "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}},
        {"action": "c2pa.color_adjustments", "softwareAgent": {"name": "Example Editor"}},
        {"action": "c2pa.placed", "parameters": {"ingredientIds": ["part"]}},
    ]}}],
}
edited = sign(editor, edit, encoded("JPEG", quality=60), "image/jpeg", [
    ({"title": "generated.jpg", "relationship": "parentOf", "label": "parent"}, "image/jpeg", generated),
    ({"title": "logo.png", "relationship": "componentOf", "label": "part"}, "image/png", encoded("PNG")),
])
with open("edited.jpg", "wb") as f:
    f.write(edited)
with open("remote.jpg", "wb") as f:
    f.write(sign(generator, created("remote.jpg"), encoded("JPEG"), "image/jpeg", remote="https://example.com/manifest.c2pa"))
