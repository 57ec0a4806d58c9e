"""Names that say that what stands beside them is a person's: of properties, and of parameters."""

from __future__ import annotations

import re
from itertools import pairwise

from webmon.domain.scrub.text import plain


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


# A property of this name speaks of somebody's health, or of a number that is theirs alone, whatever else it says.
_ALWAYS = _words(
    """
    allergy birth birthdate birthday cvv diagnose diagnoses diagnosis disease dob firstname forename fullname
    geburtsdatum geburtstag icd krankheit lastname medication mrn nachname naissance nacimiento nascita nhs nino
    passport password passwort patientid patientname prenom prescription prénom secret ssn surname symptom symptoms
    username versichertennummer vorname
    cardnumber contactname creditcard customerid customername dateofbirth emailaddress handynummer iban kontonummer
    medicalrecordnumber memberid membername mobilenumber patientennummer patientnumber phonenumber
    socialsecuritynumber steuernummer telefonnummer useremail userid userphone
    """
)
# So does one of this name, but where its last word makes it one of a thing: phone, but not phone_model.
_PERSONAL = _words(
    """
    address adresse apellido apellidos cognome correo courriel direccion email fax geo handy insurance insured ip lat
    latitude lng lon longitude mail mobile nombre patient patientin phone plz postal postcode sin strasse street tel
    telefon telefono telephone token téléphone versicherung zip zipcode
    """
)
_OF_A_THING = _words(
    """
    app bar brand button campaign category click clicks client consent count enabled filter format group kind layout
    link menu model opened page platform plan portal provider screen sent signup size status tab template type valid
    variant version view widget
    """
)
# "name", "id" and "number" are personal after one of these: first_name, not plan_name.
_OF_A_PERSON = _words(
    """
    account client contact customer display doctor family first full given guardian last maiden member middle nick
    parent patient person physician session student sur user visitor your
    """
)
_OWNED = _words("account card case claim client customer insurance member patient policy record user")
_NUMBER = _words("no nr num number nummer")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")


def is_personal(key: str) -> bool:
    """Whether a key names something of a person: ``patientName``, ``E-Mail``, ``phone_number``."""
    words = [word.lower() for word in _CAMEL.findall(plain(key))]
    if words in (["name"], ["e", "mail"]) or not _ALWAYS.isdisjoint(words):
        return True
    pairs = list(pairwise(words))
    if any(before in _OF_A_PERSON and word in {"name", "id"} for before, word in pairs):
        return True
    if any(before in _OWNED and word in _NUMBER for before, word in pairs):
        return True
    return not _PERSONAL.isdisjoint(words) and words[-1] not in _OF_A_THING
