"""In which language a caption is written, as far as short texts and tags tell: by letters, small words and nouns."""

from __future__ import annotations

import re
import unicodedata

FOREIGN = 0.5  # share of letters of another script
TAGS = 2  # words for what is seen before a caption of tags is of another language, and half of all its words
# words that another language cannot do without; two of them, and none of English
_ENGLISH = frozenset(re.findall(r"\w+", "a an the of in on at with and is are wearing from by to his her"))
_LANGUAGES = {
    "German": "der die das ein eine einen einem mit und auf ist im vor einer trägt neben von",
    "French": "le la les un une des avec et dans est sur du devant porte au",
    "Spanish": "el la los las un una con y en es sobre del lleva frente al",
    "Italian": "il lo la gli un una con e di nel sulla è davanti indossa",
    "Portuguese": "o os um uma com e na é da em frente ao pelo",
    "Dutch": "de het een met en op is van voor draagt naast",
}
# one of these is enough where nothing is English: no English word is written so
_SURE_WORDS = "ein eine einem einen und auf une avec dans una nel sulla della uma het een och på bir için jest się"
_SURE = frozenset(re.findall(r"\w+", _SURE_WORDS))
_LETTERS = re.compile("[ğışłęąńśżźřěůőűțșđ\u1ea0-\u1ef9]")  # Turkish, Polish, Czech, Vietnamese ...
# what stands between commas in place of sentences
_SEEN = {
    "German": "frau mann mädchen junge kleid rotes rote roter rotem blaues blaue blauer grünes grüne weißes weiße"
    " weißer weiß schwarzes schwarze schwarzer schwarz gelbes gelbe gelb grau braune grüner haare haar augen gesicht"
    " lächelnd lächelt lächeln sitzt sitzend steht stehend liegend draußen drinnen sonne meer wasser himmel wald baum"
    " bäume wiese haus straße garten berge schnee küche zimmer wohnzimmer bett stuhl tisch hund katze katzen brille"
    " hemd hose jacke mantel schuhe hinten vorne vorn nahaufnahme ganzkörper hintergrund kurze lange lockige locken"
    " bart ohrringe blumen lachend kopf mütze pullover stadt spielzeug rucksack porträt",
    "French": "femme homme fille garçon enfant rouge bleu bleue vert verte noire blanc blanche jaune cheveux yeux"
    " visage souriante souriant sourire assise assis dehors soleil mer eau ciel forêt arbre arbres maison rue jardin"
    " montagne neige chambre cuisine lit chaise chien lunettes chemise pantalon veste manteau chaussures dos fond longs"
    " courts barbe fleurs tête chapeau ville herbe extérieur intérieur jouet bouche",
    "Spanish": "mujer hombre chica chico niña niño vestido rojo roja azul negro negra blanco blanca amarillo pelo"
    " cabello ojos cara sonriendo sonriente sonrisa sentada sentado playa cielo bosque árbol árboles casa calle"
    " jardín montaña nieve habitación cocina silla perro gato gafas camisa pantalones chaqueta abrigo zapatos espalda"
    " fondo largo corto rubia rubio barba flores cabeza sombrero ciudad hierba exterior juguete lentes",
    "Italian": "donna uomo ragazza ragazzo bambina vestito rosso rossa blu azzurro nera bianco bianca giallo capelli"
    " occhi viso sorridente sorriso seduta seduto spiaggia sole mare acqua cielo foresta bosco albero alberi"
    " giardino montagna neve cucina letto sedia cane gatto occhiali camicia pantaloni giacca cappotto scarpe sfondo"
    " lunghi corti bionda biondi fiori cappello città erba aperto giocattolo",
    "Portuguese": "mulher homem menina menino vestido vermelho vermelha azul preto preta branco branca amarelo cabelo"
    " cabelos olhos rosto sorrindo sorriso sentada sentado praia céu floresta árvore árvores rua jardim montanha neve"
    " quarto cozinha cadeira cachorro gato óculos camisa calça jaqueta casaco sapatos costas fundo longo curto loira"
    " flores cabeça chapéu cidade grama brinquedo",
    "Dutch": "vrouw meisje jongen jurk rode blauwe groene zwarte witte gele haren ogen gezicht lachend glimlachend"
    " zittend staand buiten binnen zon zee hemel bos boom bomen huis straat tuin bergen sneeuw keuken kamer stoel"
    " hond bril overhemd broek jas schoenen achtergrond krullen baard bloemen hoofd hoed stad gras speelgoed",
    "Polish": "kobieta mężczyzna dziewczyna chłopak sukienka czerwona czerwony niebieska niebieski zielona zielony"
    " czarna czarny biała włosy oczy twarz uśmiech siedzi plaża morze niebo las drzewo drzewa dom ulica ogród góry"
    " śnieg pokój kuchnia krzesło pies kot okulary koszula spodnie kurtka buty tło",
    "Swedish": "kvinna flicka pojke klänning röd rött blå grön svart gul hår ögon ansikte leende sitter utomhus hav"
    " himmel skog träd hus gata trädgård snö kök stol hund katt glasögon skjorta byxor jacka skor bakgrund",
}
# among those: what English writes so too; with nothing but these it may be English
_ALSO = "bart bed boom cane casa chaise chapeau courts die dos exterior fille fond largo las letto lit mare pies rosa"
_ALSO_ENGLISH = frozenset(re.findall(r"\w+", _ALSO + " rote rouge rue sole sombrero stol van visage"))
_WORDS_SEEN = {name: frozenset(words.split()) for name, words in _SEEN.items()}
# names of places that begin with an article, and what has dots or slashes in it: an address
_NAMES = re.compile(
    r"(?i)\b(?:l[ao]s (?:angeles|vegas|palmas|cruces|alamos|cabos)|la (?:jolla|paz|rochelle|la land|spezia|rambla)"
    r"|el (?:paso|capitan|salvador|greco|dorado|niño)|le (?:mans|havre|corbusier|creuset)|(?:rio|playa|plaza|paseo)"
    r" (?:de|del|la|el|los|las)(?: \w+)?)\b|\S+[./:@]\S+"
)


def other_language(caption: str, own: frozenset[str]) -> str:
    """The language of a caption that is not English, or what shows it; empty for English and where it is not told.

    `own` words, in small letters, are names: the trigger's and the class word's. A single word tells nothing.
    """
    letters = [char for char in caption if char.isalpha()]
    others = [char for char in letters if not unicodedata.name(char, "LATIN").startswith(("LATIN", "FULLWIDTH LATIN"))]
    if len(others) > FOREIGN * len(letters):
        return unicodedata.name(others[0], "").split()[0].title() + " letters"
    written = re.findall(r"\w+", _NAMES.sub(" ", caption))
    words = {one.lower() for one in written} - own
    if words & (_ENGLISH - {"a", "in", "is", "on"}):
        return ""
    no_names = {one for one in written if one[0].islower()} - own
    return _by_small_words(words, set(_LETTERS.findall(" ".join(no_names)))) or _by_what_is_seen(words)


def _by_small_words(words: set[str], letters: set[str]) -> str:
    counts = {name: len(words & set(its.split())) for name, its in _LANGUAGES.items()}
    best = max(counts, key=counts.__getitem__)
    if counts[best] >= 2 and counts[best] > len(words & _ENGLISH):
        return best
    if sure := (words & _SURE or letters):
        return best if counts[best] else min(sure)
    return ""


def _by_what_is_seen(words: set[str]) -> str:
    told = {name: words & (seen | set(_LANGUAGES.get(name, "").split())) for name, seen in _WORDS_SEEN.items()}
    best = max(told, key=lambda name: len(told[name]))
    plain = [one for one in words if not one.isdigit()]
    enough = len(told[best]) >= max(TAGS, len(plain) / 2) and told[best] & _WORDS_SEEN[best] - _ALSO_ENGLISH
    return best if enough else ""
